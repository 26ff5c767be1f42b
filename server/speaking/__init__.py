"""Sets up the dialects: what their plugins announce becomes routes, documents, applications."""
