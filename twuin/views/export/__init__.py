"""What can be taken along from a site: maps as GeoJSON and GeoPackage, series as CSV and Parquet."""
