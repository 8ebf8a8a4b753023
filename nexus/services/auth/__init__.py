"""People, teams and keys: who may act in a tenant.

    entities.py    users, teams, API keys
    flows.py       how a user comes and goes
    api.py         commands and events
    commands.py    the rules: keys are shown once, the last owner stays
    policies.py    owner, administrator
    seeds.py       the first owner of a new tenant

The full identity service (passwords, passkeys, OIDC, SCIM) joins here; who a token stands for is the runtime's to say.
"""

from nexus.core import Service

service = Service(name="auth", title="Access", group="platform")
