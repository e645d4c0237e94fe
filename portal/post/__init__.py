"""Mail to people, in their language: `portal.post.sending.post` is the one way out, `Mail` the outbox behind it."""
