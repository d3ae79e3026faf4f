"""The life of an alert: what the monitor finds, what people do with it. Pure rules and their ports."""
