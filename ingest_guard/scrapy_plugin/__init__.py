"""The guard inside Scrapy: add-on, gate, sentinel, pipelines, scan workers. The only room that imports scrapy."""
