"""What other systems tell Twuin by signed webhooks (docs/webhooks-in.md)."""
