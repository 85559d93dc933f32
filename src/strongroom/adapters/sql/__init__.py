"""The catalog in a relational database: SQLite or PostgreSQL, through the same statements."""
