"""
`python -m exporter` and the installed command.
"""

from exporter.cli import main

if __name__ == "__main__":
    main()
