"""Tools of the project: checks, templates, and what makes the environment."""
