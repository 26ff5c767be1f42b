"""Keys of the HTTP APIs: what they look like, how they are kept, who holds one."""
