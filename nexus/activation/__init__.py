"""Activation: one call turns a business into a running system.

business.py    the request: a business, and every reason why it cannot be one
resolve.py     the request with every value filled, and where each came from
describe.py    one sentence → industry, country, modules
presets/       industries, modules and sizes as data, and how they are composed with a country (nexus/countries)
"""
