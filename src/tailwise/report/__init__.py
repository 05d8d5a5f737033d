"""Reports: read run directories, compare methods, print tables. Nothing here trains."""
