"""Other servers' APIs: each a package that announces itself, delete it and the API is gone."""
