"""The report of a job: one HTML file that says what it did, why it failed, and what to do.

`gathering` reads the job, `charts` draws, `packing` makes the columns of all tasks small, and
`page` writes them with the templates beside it. No line of it asks anything of a network.
"""
