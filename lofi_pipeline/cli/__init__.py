"""The command line, one module a command. Every command calls the domain or starts Dagster runs; none has rules of its own."""
