"""What maps a function over pieces of work, as a table: this machine's processors, or a cluster.

An engine knows nothing of what it runs. Each is one file with ``load(address, holds_lock=...) ->
Engine``, and is imported when somebody asks for it.
"""
