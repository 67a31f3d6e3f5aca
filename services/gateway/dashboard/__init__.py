"""The dashboard's files: one page, its ES modules and its styles, served below /app/ as they are."""
