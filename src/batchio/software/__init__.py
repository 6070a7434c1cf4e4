"""The user's Python environment: found here, packed into pieces, made again on nodes.

`capture` asks a Python what it is and which packages it has (`probe` is the program that it
runs), `items` decides how each of them travels, `packing` makes pieces and the recipe, `cache`
keeps them on this computer, and `program` is what makes the environment on a node.
"""
