//! The words about a table. It reads no file and takes no figure.
