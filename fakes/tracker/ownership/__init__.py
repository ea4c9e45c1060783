"""Who manages which field: field sets, managers, and the merge of server-side apply."""
