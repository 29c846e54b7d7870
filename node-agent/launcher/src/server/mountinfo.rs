//! The mounts of a process as the kernel lists them (proc_pid_mountinfo(5)). What may not enter: what they mean.

/// One line.
pub(super) struct Mount<'a> {
    /// What of its file system is mounted.
    pub(super) root: &'a str,
    pub(super) at: &'a str,
    /// Of the mount.
    pub(super) options: &'a str,
    pub(super) kind: &'a str,
    /// Of the file system.
    pub(super) of_all: &'a str,
}

impl<'a> Mount<'a> {
    /// The optional fields end at a dash.
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let mut system = system.split(' ');
        Some(Self {
            root: mount.next()?,
            at: mount.next()?,
            options: mount.next()?,
            kind: system.next()?,
            of_all: system.nth(1)?,
        })
    }

    /// Whether the mount has an option.
    pub(super) fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|it| it == option)
    }
}
