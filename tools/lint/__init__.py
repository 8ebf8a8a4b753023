"""Our own lint rules: what no general linter knows of this project. Each answers lines of the form `path:line: what is wrong`."""
