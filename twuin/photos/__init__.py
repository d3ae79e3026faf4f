"""Pictures from the field: checked, made small, without what a phone writes into them."""
