//! Pictures as SVG. It knows of no table.
