# Not a heading

def wind_bobbin():
    pass
