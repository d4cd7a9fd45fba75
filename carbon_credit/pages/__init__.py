"""Pages for people: what a methodology says, as blocks, and the same blocks as Markdown and as HTML."""
