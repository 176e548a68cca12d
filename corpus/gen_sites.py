from authoring import Article


def make_sites(sites: int, pages: int, seed: int) -> list[Article]:
    return []
