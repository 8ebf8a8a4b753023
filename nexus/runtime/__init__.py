"""How a process lives: the application, units of work, the relay, migrations, health."""
