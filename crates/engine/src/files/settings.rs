//! Every bound of files, by name.

/// Bounds of tenants' files. All have defaults; each is a key of the configuration reference.
#[derive(Debug, Clone)]
pub struct FileSettings {
    /// Bytes of one file.
    pub file_bytes_max: u64,
    /// Files of one tenant.
    pub per_tenant_max: u64,
    /// Bytes of all files of one tenant.
    pub tenant_bytes_max: u64,
}

impl Default for FileSettings {
    fn default() -> Self {
        Self { file_bytes_max: 200 * 1024 * 1024, per_tenant_max: 1_000, tenant_bytes_max: 10 * 1024 * 1024 * 1024 }
    }
}
