//! Where tenants' files lie, and how they come to be and go.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind as IoErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use insula_model::{Error, ErrorKind, Result, TenantId};

use crate::{
    lock::{make_dir, sync_dir},
    query::Db,
    sqlite,
};

/// The directory of all tenants, and what a new tenant's file starts as. Everything here waits for the disk, and nothing here
/// touches a file that is open.
pub(super) struct Place {
    root: PathBuf,
    template: Vec<u8>,
}

impl Place {
    /// Builds the template for new files.
    pub(super) fn new(root: PathBuf) -> Result<Self> {
        let template = sqlite::tenant_template(&root.join("template.db"))?;
        Ok(Self { root, template })
    }

    fn dir(&self, tenant: TenantId) -> PathBuf {
        self.root.join(tenant.bare())
    }

    fn file(&self, tenant: TenantId) -> PathBuf {
        self.dir(tenant).join("tenant.db")
    }

    /// The directory of its blobs, made with the first of them.
    pub(super) fn blobs(&self, tenant: TenantId) -> PathBuf {
        self.dir(tenant).join("blobs")
    }

    /// Makes a tenant's file, unless it has one; on return it survives a power cut.
    pub(super) fn create(&self, tenant: TenantId) -> Result<()> {
        let (dir, file) = (self.dir(tenant), self.file(tenant));
        if file.try_exists().map_err(Error::internal)? {
            return Ok(());
        }
        // Under another name until it is whole; what an interrupted attempt left there is overwritten.
        let draft = dir.join("tenant.db.new");
        let write = || -> std::io::Result<()> {
            make_dir(&dir)?;
            let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
            out.write_all(&self.template)?;
            out.sync_all()?;
            drop(out);
            fs::rename(&draft, &file)?;
            sync_dir(&dir)?;
            sync_dir(&self.root)
        };
        write().map_err(refused)
    }

    /// Opens a tenant's file. It must be there: a file that vanished is an error, never an empty tenant.
    pub(super) fn open(&self, tenant: TenantId) -> Result<Db> {
        let file = self.file(tenant);
        if !file.try_exists().map_err(Error::internal)? {
            return Err(Error::internal(format!("the file of {tenant} is missing")));
        }
        sqlite::open_tenant(&file)
    }

    /// Removes everything of a tenant; nothing is left to do where nothing is there.
    pub(super) fn remove(&self, tenant: TenantId) -> Result<()> {
        match fs::remove_dir_all(self.dir(tenant)) {
            Err(error) if error.kind() == IoErrorKind::NotFound => return Ok(()),
            removed => removed.map_err(Error::internal)?,
        }
        sync_dir(&self.root).map_err(Error::internal)
    }

    /// Whether anything of a tenant is there.
    pub(super) fn holds(&self, tenant: TenantId) -> Result<bool> {
        self.dir(tenant).try_exists().map_err(Error::internal)
    }
}

/// What a failed write means to whoever asked for it.
pub(super) fn refused(error: std::io::Error) -> Error {
    match error.kind() {
        IoErrorKind::StorageFull | IoErrorKind::QuotaExceeded => {
            let retry_after = std::time::Duration::from_secs(5);
            Error::new(ErrorKind::Unavailable { retry_after }, "the disk is full; free some space").caused_by(error)
        }
        _ => Error::internal(error),
    }
}
