"""One spelling for each address: URLs, hosts, domains, private targets."""
