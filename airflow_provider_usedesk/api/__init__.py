"""The Usedesk API, for any Python program."""
