-- How a tenant's prompts are kept apart from others' in the caches of providers.

ALTER TABLE insula_control.limits ADD COLUMN provider_isolation TEXT;
