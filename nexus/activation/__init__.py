"""Activation: one call turns a business into a running system.

documents.py   reads YAML as YAML 1.2
business.py    the request: a business, and every reason why it cannot be one
resolve.py     the request with every value filled, and where each came from
describe.py    one sentence → industry, country, modules
countries.py   what is true of doing business in a country
presets/       industries, countries, modules and sizes as data, and how they are composed
"""
