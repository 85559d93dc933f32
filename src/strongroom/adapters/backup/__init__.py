"""Where tests keep backups; directories and buckets are beside the blobs, whose ways they share."""
