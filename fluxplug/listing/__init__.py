"""What the listing commands print, without I/O: tables by format strings, eventlogs, job output, rows of resources and queues.

Given payloads, records and the time; nothing here asks a server or looks for a job. Modules are imported by their users, one by one, because
a command must start fast.
"""
