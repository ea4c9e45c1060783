"""
New projects: what `ctrlkit init` writes.

Nothing of it is needed by a program that runs, or by the project once it is made.
"""
