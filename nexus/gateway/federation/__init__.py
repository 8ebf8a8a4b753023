"""GraphQL across processes: one graph composed from the services' schemas, planned over by a gateway that others wrote."""
