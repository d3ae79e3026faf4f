"""Leaks found and placed by a hydraulic model that is kept true: the residual tracker."""
