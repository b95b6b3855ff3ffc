"""Small value types with a text form: idset, hostlist, count, duration, jobid. They import nothing of ours but errors."""
