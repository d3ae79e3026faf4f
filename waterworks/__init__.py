"""The words that every room of Twuin shares: units, readings, sites, networks, ports and errors."""
