//! What small tables are taken for.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fmt::Write as _;
use std::io::{self, Read};

use super::header::column_names;
use super::kept::MAX_KEPT;
use super::{Certainty, Kind, Options, Table, analyse};
use crate::cell::NumberStyle;

fn analysed(text: &str, focus: &[&str], most_kept: usize) -> Table {
    let focus: Vec<String> = focus.iter().map(|name| (*name).into()).collect();
    let options = Options {
        focus: &focus,
        most_kept,
        ..Options::default()
    };
    let open = || -> io::Result<Box<dyn Read + '_>> { Ok(Box::new(text.as_bytes())) };
    analyse(&open, text.as_bytes(), true, &options).unwrap()
}

fn table(text: &str) -> Table {
    analysed(text, &[], MAX_KEPT)
}

fn kinds(table: &Table) -> String {
    let kinds: Vec<String> = table
        .columns
        .iter()
        .map(|c| format!("{}:{}", c.name, c.kind.name()))
        .collect();
    kinds.join(" ")
}

#[test]
fn columns_are_known_by_what_nine_in_ten_cells_hold() {
    let mut text = String::from("id,when,town,amount,mixed,blank\n");
    for i in 1..=20 {
        let amount = if i == 7 {
            "unknown".into()
        } else {
            (i * 10).to_string()
        };
        let (mixed, town) = if i % 2 == 0 {
            ("4", "Oslo")
        } else {
            ("x", "Bern")
        };
        writeln!(text, "{i},2024-01-{i:02},{town},{amount},{mixed},").unwrap();
    }
    let table = table(&text);
    assert_eq!(
        kinds(&table),
        "id:number when:date town:text amount:number mixed:mixed blank:empty"
    );
    assert!(table.columns[0].sequence && !table.columns[0].numeric());
    assert_eq!(table.axis, Some(1));
    let odd = &table.columns[3].odd;
    assert_eq!(
        (odd.count(), odd.place.line, odd.text.as_str()),
        (1, 8, "unknown")
    );
    let town = &table.columns[2];
    assert_eq!((table.rows, town.distinct), (20, 2));
    assert_eq!(
        (town.top[0].value.as_str(), town.top[0].count),
        ("Bern", 10)
    );
}

#[test]
fn one_huge_number_in_each_row_counts_nothing() {
    let table = table(&format!("n,huge\n{}", "1,1e308\n".repeat(20)));
    assert!(!table.columns[1].sequence && table.columns[1].numeric());
}

/// Sales 10, 12, … one a day, and 500 on the last line: quartiles of 10,12,…,38,500 (n=16) are 17.5 and 32.5.
#[test]
fn figures_trend_and_outlier_agree_with_the_file() {
    let mut text = String::from("day;sales\n");
    for i in 0..15 {
        writeln!(text, "2024-03-{:02};{}", i + 1, 10 + 2 * i).unwrap();
    }
    let exact = table(&text);
    let trend = exact.columns[1].trend.unwrap();
    assert!((trend.slope - 2.0).abs() < 1e-9 && (trend.r2 - 1.0).abs() < 1e-9);
    assert_eq!(exact.columns[1].outlier_count, 0);
    text.push_str("2024-03-16;500\n");
    let table = table(&text);
    let sales = &table.columns[1];
    assert_eq!(sales.quantiles.percentile(25), 17.5);
    assert!((sales.moments.mean() - (24.0 * 15.0 + 500.0) / 16.0).abs() < 1e-9);
    assert_eq!(sales.outlier_count, 1);
    assert_eq!(
        (sales.outliers[0].line, sales.outliers[0].value),
        (17, 500.0)
    );
    let bins = &sales.series.as_ref().unwrap().bins;
    assert_eq!(
        (bins[0].values.mean, bins.last().unwrap().values.max),
        (10.0, 500.0)
    );
}

#[test]
fn a_header_is_found_or_missed_as_a_reader_would() {
    for (text, want) in [
        ("name,n\na,1\nb,2\n", true),
        ("a,1\nb,2\nc,3\n", false),
        ("country,2019,2020\nNO,5.5,6\nCH,7,8\n", true),
        ("colour,size\nred,big\nblue,small\n", true),
        ("red,big\nblue,small\nred,big\n", false),
        ("2024-01-01,5\n2024-01-02,6\n", false),
        ("when,what\n2024-01-01,a\n2024-01-02,b\n", true),
        ("1,2,3\n", false),
        ("a,b,c\n", true),
        ("a,a\n1,2", true),
    ] {
        assert_eq!(table(text).layout.header, want, "{text:?}");
    }
    let names = column_names(&["a".into(), String::new(), "a".into()], 4);
    assert_eq!(names.join("|"), "a|column 2|a (2)|column 4");
}

#[test]
fn every_name_is_another_whatever_the_header_says() {
    let header = [
        "column 1",
        "",
        "column 2",
        "column 2 (2)",
        "a",
        "a",
        "a (2)",
        "",
    ];
    let names = column_names(&header.map(String::from), 8);
    let mut different = names.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), names.len(), "{names:?}");
}

#[test]
fn a_decimal_comma_is_read_as_one() {
    let price = &table("item;price\na;1,500\nb;2,750\nc;1.003,100\n").columns[1];
    assert_eq!(
        (price.style, price.moments.max),
        (NumberStyle::DotGrouped, 1003.1)
    );
    let price = &table("item,price\na,\"1,500\"\nb,\"2,750\"\nc,\"1,003.5\"\n").columns[1];
    assert_eq!(
        (price.style, price.moments.max),
        (NumberStyle::Grouped, 2750.0)
    );
}

#[test]
fn a_day_that_could_be_a_month_is_said_to_be() {
    let open = &table("d,v\n03/04/2024,1\n05/06/2024,2\n").columns[0];
    assert_eq!(
        (open.kind, open.certainty),
        (Kind::Date, Certainty::Undecided)
    );
    let settled = &table("d,v\n03/04/2024,1\n05/16/2024,2\n").columns[0];
    assert_eq!(settled.certainty, Certainty::Sure);
    let (first, last) = settled.span().unwrap();
    assert_eq!((first.date().1, last.date().2), (3, 16));
}

#[test]
fn rows_of_the_wrong_width_are_counted_and_missing_cells_too() {
    let table = table("a,b,c\n1,2,3\n1,2\n1,2,3,4\n1,,3\n1,NA,3\n");
    assert_eq!((table.short.count, table.short.line), (1, 3));
    assert_eq!((table.long.count, table.long.line), (1, 4));
    let [_, b, c] = table.columns.as_slice() else {
        panic!("three columns")
    };
    assert_eq!((b.missing, b.present, c.missing), (2, 3, 1));
}

/// x = 1..6, y = 7 - x, z is neither.
#[test]
fn columns_that_go_together_are_found() {
    let table = table("x,y,z\n1.5,5.5,3\n2,5,9\n3,4,1\n4,3,7\n5,2,2\n6,1,5\n");
    let [found] = table.correlations.as_slice() else {
        panic!("one correlation")
    };
    assert_eq!((found.a, found.b, found.n), (0, 1, 6));
    assert!((found.r + 1.0).abs() < 1e-12);
}

#[test]
fn a_year_column_is_the_axis_only_under_its_name() {
    let year = table("year,v\n2001,5\n2002,6\n2003,8\n");
    assert_eq!((year.axis, year.columns[0].kind), (Some(0), Kind::Date));
    assert_eq!(
        table("size,v\n2001,5\n2002,6\n2003,8\n").columns[0].kind,
        Kind::Number
    );
}

#[test]
fn what_was_asked_for_is_drawn_first() {
    let text = "a,b,c,d\n1,2,3,9\n4,5,6,2\n7,8,1,4\n2,2,2,8\n";
    let table = analysed(text, &["d"], MAX_KEPT);
    let plotted = table.plotted(&["d".into()]);
    assert_eq!(plotted, [3, 0, 1]);
    assert!(
        plotted
            .iter()
            .all(|&index| table.columns[index].histogram.is_some())
    );
}

#[test]
fn a_table_of_one_column_and_no_rows_is_no_error() {
    let empty = table("only\n");
    assert_eq!((empty.rows, empty.columns.len()), (0, 1));
    assert_eq!(table("v\n3\n4\n8\n").columns[0].kind, Kind::Number);
}

#[test]
fn a_file_too_large_to_keep_gives_the_same() {
    let mut text = String::from("day,a,b\n");
    for i in 0..4000 {
        let day = match i % 50 {
            0 => String::new(),
            _ => format!("2024-{:02}-{:02}", 1 + i / 280 % 12, 1 + i % 28),
        };
        let b = if i % 1000 == 0 { 9000 } else { i % 13 };
        writeln!(text, "{day},{},{b}", i * i % 97).unwrap();
    }
    let (want, got) = (analysed(&text, &[], MAX_KEPT), analysed(&text, &[], 100));
    for (want, got) in want.columns.iter().zip(&got.columns) {
        assert_eq!(
            format!("{:?}", want.outliers),
            format!("{:?}", got.outliers)
        );
        assert_eq!(format!("{:?}", want.series), format!("{:?}", got.series));
    }
    assert_eq!(got.columns[2].outlier_count, 4);
}

#[test]
fn the_first_cell_that_is_no_time_or_truth_is_named() {
    let mut text = String::from("at,open\n");
    for i in 0..20 {
        match i {
            6 => text.push_str("7,3\n"),
            _ => writeln!(text, "{i:02}:30,{}", ["yes", "no"][i % 2]).unwrap(),
        }
    }
    let table = table(&text);
    assert_eq!(kinds(&table), "at:time open:boolean");
    for (column, want) in table.columns.iter().zip(["7", "3"]) {
        let odd = &column.odd;
        assert_eq!(
            (odd.count(), odd.place.line, odd.text.as_str()),
            (1, 8, want)
        );
    }
}

/// A date that comes again in the next row counts as each of them.
#[test]
fn dates_that_come_again_are_counted() {
    let mut text = String::from("day,kg\n");
    for i in 0..400 {
        let day = match i % 20 {
            7 => ["lost", "3"][i / 20 % 2].into(),
            _ => format!("2024-01-{:02}", 1 + i / 20),
        };
        writeln!(text, "{day},{i}").unwrap();
    }
    let table = table(&text);
    let day = &table.columns[0];
    assert_eq!((day.kind, day.present, day.distinct), (Kind::Date, 400, 22));
    let odd = &day.odd;
    assert_eq!(
        (odd.count(), odd.place.line, odd.text.as_str()),
        (20, 9, "lost")
    );
    assert_eq!(day.top[0].count, 19);
}
