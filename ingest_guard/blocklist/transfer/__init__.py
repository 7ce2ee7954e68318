"""Moving one version between machines: packed into one file, encrypted, unpacked."""
