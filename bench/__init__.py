"""`make bench`: the same jobs against NEXUS, a naive peer and the database alone, side by side in one run. Ratios, never assertions on time."""
