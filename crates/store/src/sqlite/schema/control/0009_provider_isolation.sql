-- How a tenant's prompts are kept apart from others' in the caches of providers.

ALTER TABLE limits ADD COLUMN provider_isolation TEXT;
