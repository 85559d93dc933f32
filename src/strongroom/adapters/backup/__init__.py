"""Where backups are kept: a local directory."""
