"""The provider that rents EC2 instances in the user's own AWS account."""
