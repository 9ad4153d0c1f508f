"""Pages for people, as text: data in, HTML out. Pure: no I/O but the page's own parts, no clock."""
