//! The analyst: reads tables in text form and sheets of workbooks, and says what is in them.
//!
//! From the bytes up: [`word`] looks at short texts a word at a time, [`csvfile`] makes rows of bytes, [`cell`] reads
//! one cell, [`sniff`] finds how a text is written, [`sheet`] makes text of a workbook; [`stats`] has the figures,
//! [`profile`] knows what columns are, [`chart`] draws, [`report`] writes, [`host`] speaks with the worker and
//! [`turn`] is one request.

pub mod cell;
pub mod chart;
pub mod csvfile;
pub mod host;
pub mod profile;
pub mod report;
pub mod sheet;
pub mod sniff;
pub mod stats;
pub mod turn;
pub mod word;
