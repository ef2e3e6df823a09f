//! What is a mark, what was meant as one, and what is text; cut anywhere.

use proptest::prelude::*;

use super::*;

/// What is read, cut into these pieces; neighbouring texts as one.
fn read(pieces: &[&str]) -> Vec<Piece> {
    let (mut reader, mut all) = (Reader::new(3), Vec::new());
    let mut each = |piece: Piece| match (all.last_mut(), piece) {
        (Some(Piece::Text(text)), Piece::Text(more)) => text.push_str(&more),
        (_, piece) => all.push(piece),
    };
    pieces.iter().for_each(|piece| reader.read(piece, &mut each));
    reader.end(&mut each);
    all
}

/// The text with `<number|quote>` in the place of marks.
fn shown(text: &str) -> String {
    let mark = |mark: Mark| {
        let number = mark.number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        format!("<{number}|{}>", mark.quote.unwrap_or_else(|| "-".to_owned()))
    };
    let piece = |piece| match piece {
        Piece::Text(text) => text,
        Piece::Mark(it) => mark(it),
    };
    read(&[text]).into_iter().map(piece).collect()
}

#[test]
fn marks_are_told_from_text() {
    for (text, wanted) in [
        ("The fee is 5 [[2: \"The fee is 5.\"]].", "The fee is 5<2|The fee is 5.>."),
        ("A[[1:\"x\"]][[3 : “y z”]] b", "A<1|x><3|y z> b"),
        ("[[source 2: 'quoted']] [[Source #3: «so»]]", "<2|quoted><3|so>"),
        ("[[2 \"no colon\"]] [[2, \"a comma\"]] [[2 - \"a dash\"]]", "<2|no colon><2|a comma><2|a dash>"),
        ("[[12]] and [[2: no marks]] and [[2:]]", "<12|-> and<2|-> and<2|->"),
        ("[[1: \"a\"; 2: \"b\"]]", "<1|a\"; 2: \"b>"),
        ("[[1: \"dot outside\".]]", "<1|dot outside>"),
        ("nested [[1: \"a [[2: \"b\"]] c\"]] on", "nested<1|a [[2: \"b\"]] c> on"),
        ("bare [1] and [1, 2] and [1-3][2]", "bare<1|-> and<1|-> and<1|-><2|->"),
        ("【4:0†lease.pdf】 is theirs", "<4|-> is theirs"),
        (
            "[ 1 ] [^1] [1](#) 【1】 ［1］ [**1**] [１] \\[1\\] [`2`] [1](lease.md)",
            "<1|-><1|-><1|-><1|-><1|-><1|-><-|-> \\<1|-><2|-><1|->",
        ),
        ("[1,\n2] [1 , **2** , 3] [1](https", "<1|-><1|-><1|->(https"),
        ("[[1] so] and [[1](#) and [[1, 2] so]", "[<1|-> so] and [<1|-> and [<1|-> so]"),
        ("引用[[2：“两个月内退还”]]。", "引用<2|两个月内退还>。"),
    ] {
        assert_eq!(shown(text), wanted, "{text}");
    }
}

#[test]
fn what_is_cut_off_is_taken_out() {
    for (text, wanted) in [
        ("so [[2: \"The fee", "so<2|->"),
        ("so [[2", "so<2|->"),
        ("so [[", "so<-|->"),
        ("so [2", "so<2|->"),
        ("so [[[2: \"q\"]]", "so [<2|q>"),
        ("so [[2: \"The fee\n\nAnd on", "so<2|->\n\nAnd on"),
        ("so [[1: \"a [[2: \"b\"]] c", "so<1|->"),
    ] {
        assert_eq!(shown(text), wanted, "{text}");
    }
    let long = format!("so [[2: \"{}\"]] on [[1: \"q\"]]", "word ".repeat(400));
    let shown = shown(&long);
    assert!(shown.starts_with("so<2|->2: \"word word") && shown.ends_with(" on<1|q>"), "{shown}");
}

#[test]
fn what_only_looks_like_code_hides_no_mark() {
    for (text, wanted) in [
        ("a ` b [1] c", "a ` b<1|-> c"),
        ("a ` b [1]\nc` [2]", "a ` b<1|->\nc`<2|->"),
        ("a ``` b [1]\n\n[2] [[1: x]]", "a ``` b<1|->\n\n<2|-><1|->"),
        ("a ` [[1: \"q\"]] ` b [1]", "a `<1|q> ` b<1|->"),
        ("```\n[1]\n```\n[1]", "```\n[1]\n```\n<1|->"),
        ("[[1: \"a ` b\"]] [1]", "<1|a ` b><1|->"),
        ("[[1: \"a `[1]` b\"]]", "<1|a `[1]` b>"),
    ] {
        assert_eq!(shown(text), wanted, "{text}");
    }
}

/// No answer makes the reader look at its characters again and again.
#[test]
fn each_character_is_looked_at_a_few_times() {
    let many = [("[[1: ", 100_000)].into_iter().chain(
        [
            "[[1, \"",
            "[[1: \"a]] ",
            "【1†",
            "[1 ",
            "[1](",
            "[1](x",
            "[1](((",
            "[[",
            "[[1",
            "[[1]",
            "[[1, 2]",
            "[[1: `[1](",
            "【1†】[[1: ",
            "[[1: \"`",
            "` [[1: \"",
            "[[1: \"\n",
            "［1 , ",
        ]
        .map(|part| (part, 2_000)),
    );
    for (part, times) in many {
        let text = part.repeat(times);
        let mut reader = Reader::new(3);
        reader.read(&text, &mut |_| {});
        reader.end(&mut |_| {});
        let (steps, chars) = (reader.steps, text.chars().count());
        assert!(steps <= 6 * chars, "{part}: {steps} steps for {chars} characters");
    }
}

#[test]
fn all_else_is_text() {
    for text in [
        "",
        " two  spaces ",
        "[[Page]] and [[1, 2], [3, 4]] and [x] and [4] and [12, 13]",
        "if [[ -f x ]]; then; [[ $a -gt 2 ]]",
        "`a[2]` and\n```\nb = [1, 2]\nc = [[2]]\nd[[2:3]]\n\ne\n```\n and [2](https://example.org) [1](mailto:a@b.c)",
        "【4】 and 【2024年】 and [",
        "- [ ] to do, [1.5], [1*2], [4](#x), [-], [**], [1 of 2]",
        "[[1, \"a\"], [2, \"b\"]]",
        "a ` [ and [] and [[]] and ]]",
    ] {
        assert_eq!(shown(text), text);
    }
}

#[test]
fn little_is_held_back() {
    let mut reader = Reader::new(3);
    let mut seen = String::new();
    let mut each = |piece: Piece| {
        if let Piece::Text(text) = piece {
            seen.push_str(&text);
        }
    };
    reader.read("The fee is 5 [[1, 2], [[2: \"x", &mut each);
    assert_eq!(seen, "The fee is 5 [[1, 2],");
}

const TEXT: &str = "Größe 5 [[2: \"Die Größe ist 5.\"]] und [[9: “nirgends”]] [1] `x[2]` [[1, 2]] 【1†a】 [[1: \"a [[2: \"b\"]] c\"]]\n\n语言[[3：「引」]] [[2: \"cut";

#[test]
fn a_cut_at_any_byte_changes_nothing() {
    let whole = read(&[TEXT]);
    for cut in (0..=TEXT.len()).filter(|cut| TEXT.is_char_boundary(*cut)) {
        let (left, right) = TEXT.split_at(cut);
        assert_eq!(read(&[left, right]), whole, "cut at {cut}");
    }
    let single: Vec<String> = TEXT.chars().map(String::from).collect();
    assert_eq!(read(&single.iter().map(String::as_str).collect::<Vec<_>>()), whole);
}

proptest! {
    #[test]
    fn anything_cut_anywhere_is_the_same(
        text in "([\\[\\](){}】【］［†`:：,\"“” \\\\^*#\n0-3a\u{e4}]|\\[\\[|\\]\\]|\\[\\[[1-3]: \"a){0,60}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let places: Vec<usize> = (0..=text.len()).filter(|at| text.is_char_boundary(*at)).collect();
        let mut at: Vec<usize> = cuts.iter().map(|cut| places[cut.index(places.len())]).collect();
        at.extend([0, text.len()]);
        at.sort_unstable();
        let pieces: Vec<&str> = at.windows(2).map(|ends| &text[ends[0]..ends[1]]).collect();
        prop_assert_eq!(read(&pieces), read(&[&text]));
    }
}
