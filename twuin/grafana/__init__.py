"""Grafana as code: dashboards, data sources and alert rules, made from typed models."""
