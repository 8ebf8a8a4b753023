"""The services: one folder each, flat; the group is a word in the manifest."""
