"""What tests share: servers, callers, fixtures."""
