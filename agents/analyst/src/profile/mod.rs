//! What the columns of a table are and what stands out in them. It writes no words and no pictures.
