"""What several commands of finance share."""
